//! The program of one target: see `edge_fuzz::range`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(range);

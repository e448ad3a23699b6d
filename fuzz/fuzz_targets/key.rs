//! The program of one target: see `edge_fuzz::key`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(key);

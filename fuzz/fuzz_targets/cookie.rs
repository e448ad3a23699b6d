//! The program of one target: see `edge_fuzz::cookie`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(cookie);

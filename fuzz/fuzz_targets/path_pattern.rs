//! The program of one target: see `edge_fuzz::path_pattern`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(path_pattern);

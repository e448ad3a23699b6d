//! The program of one target: see `edge_fuzz::cache_control`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(cache_control);

//! The program of one target: see `edge_fuzz::exchange`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(exchange);

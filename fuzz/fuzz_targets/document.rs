//! The program of one target: see `edge_fuzz::document`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(document);

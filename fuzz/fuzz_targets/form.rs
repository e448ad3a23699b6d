//! The program of one target: see `edge_fuzz::form`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(form);

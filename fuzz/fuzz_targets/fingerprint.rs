//! The program of one target: see `edge_fuzz::fingerprint`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(fingerprint);

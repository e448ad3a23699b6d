//! The program of one target: see `edge_fuzz::viewer_head`.
#![cfg_attr(fuzzing, no_main)]

edge_fuzz::program!(viewer_head);

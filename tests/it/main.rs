//! Whole-program tests that need nothing but the program.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod altering;
mod architecture;
mod bad_input;
mod board_book;
mod board_says;
mod board_schema;
mod campaign;
mod cases;
mod example_reports;
mod golden_help;
mod guided;
mod hostile_text;
mod idle_options;
mod kept_block;
mod observability;
mod parts_commands;
mod picture;
mod probe_worker;
mod profile_command;
mod profiles_against_facts;
mod program;
mod reader_inputs;
mod rom_departures;
mod swd_classes;
mod traffic;
mod triage;
mod verdict_schema;
mod virtual_boards;
mod witness;

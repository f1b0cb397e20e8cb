//! Whole-program tests that need nothing but the program.

mod architecture;

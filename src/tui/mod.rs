//! The screen: state, update, view.

pub mod bindings;
pub mod pace;
pub mod picture;
pub mod run;
pub mod state;
pub mod terminal;
pub mod theme;
pub mod view;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod screen_tests;
#[cfg(test)]
mod state_tests;

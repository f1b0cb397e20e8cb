//! Plain data: what was seen, in the words of the field.
//!
//! Nothing here computes or talks to anything. Runner and readers both produce these values, so a
//! live campaign and an imported report are the same to everything downstream.

pub mod alteration;
pub mod board;
pub mod boot;
pub mod cycle;
pub mod event;
pub mod fact;
pub mod factor;
pub mod failure;
pub mod field_text;
pub mod permit;
pub mod request_text;
pub mod step;
pub mod units;

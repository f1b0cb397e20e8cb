//! Clock arithmetic: HSE detection of the ROM, PLL, HSI48 with CRS, and what USB tolerates. Pure.

//! Virtual boards that misbehave by physical mechanism, and the USB/IP server that lets real hosts meet them.

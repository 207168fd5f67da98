"""Where decisions are collected while they are being made, and what templates say."""

"""The one-second controller; solves nothing larger than the tracking QP."""

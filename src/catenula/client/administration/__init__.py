"""What operators of a network ask and change: validators, committees, prices (spec 08 §1.5).

Plain functions over a `Client`; commands print what they return. They decide nothing about the
protocol and keep no state.
"""

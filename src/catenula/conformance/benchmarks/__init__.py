"""The figures of ``docs/performance.md``: what is measured, against which bar, and the report.

An experiment measures one or more figures in one set-up; `figures` says what they are, one module
per subject measures them, `runner` runs them, `report` shows them. Nothing here may be imported by
the layers that it measures.
"""

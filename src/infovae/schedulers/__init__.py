"""Schedules of the learning rate. One file per option of `conf/scheduler/`."""

"""Answers to the exercises for staff: plausible wrong ones, each to be found, and right ones."""

import hashlib
import hmac
import json

import numpy as np


def slow_counts_in_full(statuses, worth):
    return sum(points for status, points in zip(statuses, worth, strict=True) if status in ("right", "slow"))


def slow_counts_for_nothing(statuses, worth):
    return sum(points for status, points in zip(statuses, worth, strict=True) if status == "right")


def a_share_of_all_points(statuses, worth):
    return sum(worth) * statuses.count("right") / max(len(statuses), 1)


def half_rounded_down(statuses, worth):
    return sum(
        points if s == "right" else points // 2 if s == "slow" else 0 for s, points in zip(statuses, worth, strict=True)
    )


def points_by_a_table(statuses, worth):
    share = {"right": 1.0, "slow": 0.5}
    return float(np.dot([share.get(status, 0.0) for status in statuses], worth))


def message(*about):
    return json.dumps([*about, 0], separators=(",", ":")).encode()


def picked(options, digest, order="big"):
    return options[int.from_bytes(digest, order) % len(options)]


def without_the_secret(secret, student, exercise, setting, options):
    return picked(options, hashlib.sha256(message(student, exercise, setting)).digest())


def secret_in_front(secret, student, exercise, setting, options):
    return picked(options, hashlib.sha256(secret.encode() + message(student, exercise, setting)).digest())


def smallest_byte_first(secret, student, exercise, setting, options):
    return picked(options, hmac.digest(secret.encode(), message(student, exercise, setting), "sha256"), "little")


def one_for_all_settings(secret, student, exercise, setting, options):
    return picked(options, hmac.digest(secret.encode(), message(student, exercise), "sha256"))


def json_with_spaces(secret, student, exercise, setting, options):
    text = json.dumps([student, exercise, setting, 0]).encode()
    return picked(options, hmac.digest(secret.encode(), text, "sha256"))


def byte_by_byte(secret, student, exercise, setting, options):
    number = 0
    for byte in hmac.new(secret.encode(), message(student, exercise, setting), hashlib.sha256).digest():
        number = number * 256 + byte
    return options[number % len(options)]


WRONG = {
    "points_of": [slow_counts_in_full, slow_counts_for_nothing, a_share_of_all_points, half_rounded_down],
    "option_of": [without_the_secret, secret_in_front, smallest_byte_first, one_for_all_settings, json_with_spaces],
}
RIGHT = {"points_of": [points_by_a_table], "option_of": [byte_by_byte]}

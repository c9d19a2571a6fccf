"""Scenes: from an untrusted item or product to one decided scene per acquisition."""

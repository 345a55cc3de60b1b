# SPDX-License-Identifier: GPL-3.0-or-later
"""One mesh of several, anywhere in view and turned any way."""

"""Choosing for policies that try things: one pass over the candidates for the best and their number, one for the sum."""

from libc.math cimport INFINITY, fabs

cimport numpy as cnp

cnp.import_array()

cdef double LEAST = 1e-9


def choose_by_gap(cnp.ndarray priority not None, double draw, double gamma, double share, double scale):
    """The row and its probability: with `share` by inverse gap weighting, else the best. None: no row is open.

    As `policy.exploring.Budgeted` over `policy.inverse_gap.InverseGap`. `priority`: float64[n], contiguous.
    """
    cdef Py_ssize_t n = priority.shape[0], row, best = 0, last = -1, opened = 0
    cdef const double* of = doubles(priority)
    cdef double top = -INFINITY, sharpness, evenly, others = 0.0, left, certain, sought, summed = 0.0, one
    for row in range(n):
        if of[row] > top:
            top, best = of[row], row
        if of[row] > -INFINITY:
            opened += 1
    if top == -INFINITY:
        return None
    if share <= 0.0:
        return best, 1.0
    sharpness = gamma / (scale if scale != 0.0 else max(fabs(top), LEAST))
    evenly = top + opened / sharpness
    for row in range(n):
        others += (1.0 / sharpness) / (evenly - of[row])
    others -= (1.0 / sharpness) / (evenly - top)
    left = max(0.0, 1.0 - others)
    certain = share * left + (1.0 - share)
    if draw < certain:
        return best, certain
    sought = (draw - certain) / share
    for row in range(n):
        if row == best or of[row] == -INFINITY:
            continue
        last = row
        summed += (1.0 / sharpness) / (evenly - of[row])
        if summed > sought:
            break
    if last < 0:
        return best, certain
    return last, (1.0 / sharpness) / (evenly - of[last]) * share


cdef const double* doubles(cnp.ndarray array) except NULL:
    if cnp.PyArray_TYPE(array) != cnp.NPY_DOUBLE or array.ndim != 1 or not cnp.PyArray_IS_C_CONTIGUOUS(array):
        raise TypeError("float64[n], contiguous, is wanted")
    return <const double*> cnp.PyArray_DATA(array)

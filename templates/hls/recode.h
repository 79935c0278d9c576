// recode.h: the same integers as codes of another type.
#ifndef GS_RECODE_H
#define GS_RECODE_H

#include "types.h"

namespace gs {

// LANES elements of type X as elements of type Y, which holds all their values.
template <class X, class Y, int LANES, int Y_W, int X_W>
ap_uint<Y_W> recoded(const ap_uint<X_W>& beat) {
#pragma HLS INLINE
    typename X::code_t x[LANES];
#pragma HLS ARRAY_PARTITION variable=x complete
    typename Y::value_t y[LANES];
#pragma HLS ARRAY_PARTITION variable=y complete
    unpack<X>(beat, x);
    for (int l = 0; l < LANES; l++) {
#pragma HLS UNROLL
        y[l] = Y::code_of(typename Y::value_t(X::value(x[l])));
    }
    ap_uint<Y_W> out;
    pack<Y>(y, out);
    return out;
}

}  // namespace gs

#endif

// int_layer_norm.h: layer normalization of integers (the algorithm of gatesmith/ops/int_layer_norm.py).
//
//     d = C * x - sum of x; V = (sum of d**2 << FRACTION) + E; R = a reciprocal root of V;
//     y = (d * R + half) >> SHIFT
//
// epsilon is E, 16 bits a word, the lowest first.
// C: X, Y, X_W, Y_W, LANES, GROUPS (beats in a vector), VECTORS, CHANNELS, V_B (bits of V, even),
//    FRACTION, ADDRESS, MANTISSA, SLOPE, MIDDLE, ROOT_SHIFT, SHIFT; slope and root from entry
//    2**(ADDRESS - 2) on.
#ifndef GS_INT_LAYER_NORM_H
#define GS_INT_LAYER_NORM_H

#include "types.h"

namespace gs {

template <class C, class T, int N>
s64 reciprocal_root(ap_uint<C::V_B> v, const T (&slope)[N], const T (&root)[N]) {
#pragma HLS INLINE
    int zeros = 0;  // pairs above the first 1
    for (int pair = 1; pair < C::V_B / 2; pair++) {
#pragma HLS UNROLL
        if ((v >> (C::V_B - 2 * pair)) == 0) zeros++;
    }
    const ap_uint<C::V_B> m = v << (2 * zeros);
    const ap_uint<C::ADDRESS> top = m >> (C::V_B - C::ADDRESS);
    const ap_uint<C::MANTISSA> mantissa = m >> (C::V_B - C::MANTISSA);
    const int cell = int(top) - (1 << (C::ADDRESS - 2));
    const s64 three = 3LL << (C::MANTISSA + C::SLOPE);
    const s64 g = (three - s64(u64(mantissa)) * s64(slope[cell])) >> (C::MANTISSA + C::SLOPE - C::MIDDLE);
    return (s64(root[cell]) * g) >> (C::ROOT_SHIFT - zeros);
}

template <class C, class T, int N, int NE>
void int_layer_norm(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                    const T (&slope)[N], const T (&root)[N], const unsigned short (&epsilon)[NE]) {
    s64 x[C::GROUPS][C::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete dim=2
    ap_uint<C::V_B> constant = 0;
    for (int k = NE - 1; k >= 0; k--) {
#pragma HLS UNROLL
        constant = (constant << 16) | ap_uint<C::V_B>(epsilon[k]);
    }

    for (int vector = 0; vector < C::VECTORS; vector++) {
        s64 total = 0;
        for (int group = 0; group < C::GROUPS; group++) {
#pragma HLS PIPELINE II=1
            typename C::X::code_t code[C::LANES];
#pragma HLS ARRAY_PARTITION variable=code complete
            unpack<typename C::X>(s.read(), code);
            for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
                x[group][l] = s64(code[l]);
                total += x[group][l];
            }
        }
        ap_uint<C::V_B> squares = 0;
        for (int group = 0; group < C::GROUPS; group++) {
#pragma HLS PIPELINE II=1
            for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
                const s64 d = C::CHANNELS * x[group][l] - total;
                const u64 far = u64(d < 0 ? -d : d);
                squares += ap_uint<C::V_B>(far) * ap_uint<C::V_B>(far);
            }
        }
        const ap_uint<C::V_B> v = (squares << C::FRACTION) + constant;
        const s64 factor = reciprocal_root<C>(v, slope, root);
        for (int group = 0; group < C::GROUPS; group++) {
#pragma HLS PIPELINE II=1
            s64 y[C::LANES];
#pragma HLS ARRAY_PARTITION variable=y complete
            for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
                const s64 d = C::CHANNELS * x[group][l] - total;
                y[l] = (d * factor + (1LL << (C::SHIFT - 1))) >> C::SHIFT;
            }
            ap_uint<C::Y_W> out;
            pack<typename C::Y>(y, out);
            m.write(out);
        }
    }
}

}  // namespace gs

#endif

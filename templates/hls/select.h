// select.h: the larger or the smaller of two streams, element by element.
//
// C: A, B, Y, A_W, B_W, Y_W, LANES, BEATS, LARGER, S_B (bits of what is compared).
#ifndef GS_SELECT_H
#define GS_SELECT_H

#include "types.h"

namespace gs {

template <class C>
void select(hls::stream<ap_uint<C::A_W> >& s0, hls::stream<ap_uint<C::B_W> >& s1,
            hls::stream<ap_uint<C::Y_W> >& m) {
    typedef typename Integers<C::S_B>::s side_t;
    for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
        typename C::A::code_t a[C::LANES];
#pragma HLS ARRAY_PARTITION variable=a complete
        typename C::B::code_t b[C::LANES];
#pragma HLS ARRAY_PARTITION variable=b complete
        typename C::Y::value_t y[C::LANES];
#pragma HLS ARRAY_PARTITION variable=y complete
        unpack<typename C::A>(s0.read(), a);
        unpack<typename C::B>(s1.read(), b);
        for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
            const side_t left = side_t(C::A::value(a[l])), right = side_t(C::B::value(b[l]));
            const bool first = C::LARGER ? left > right : left < right;
            const side_t best = first ? left : right;
            y[l] = C::Y::code_of(typename C::Y::value_t(best));
        }
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(y, out);
        m.write(out);
    }
}

}  // namespace gs

#endif

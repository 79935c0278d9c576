// early_exit.h: the answer of each frame, from the early head where it left, else from the late one.
//
// C: D (Elem of a decision), D_W, L (of a late class), L_W, Y, Y_W.
#ifndef GS_EARLY_EXIT_H
#define GS_EARLY_EXIT_H

#include "types.h"

namespace gs {

template <class C>
void early_exit(hls::stream<ap_uint<C::D_W> >& s0, hls::stream<ap_uint<C::L_W> >& s1,
                hls::stream<ap_uint<C::Y_W> >& m) {
    typename C::D::code_t decision[2];  // class, exit
#pragma HLS ARRAY_PARTITION variable=decision complete
    typename C::Y::code_t y[2];
#pragma HLS ARRAY_PARTITION variable=y complete
    unpack<typename C::D>(s0.read(), decision);
    const bool left = decision[1] != 0;
    if (left) {
        y[0] = typename C::Y::code_t(decision[0]);
    } else {
        typename C::L::code_t late[1];
#pragma HLS ARRAY_PARTITION variable=late complete
        unpack<typename C::L>(s1.read(), late);
        y[0] = typename C::Y::code_t(late[0]);
    }
    y[1] = typename C::Y::code_t(left);
    ap_uint<C::Y_W> out;
    pack<typename C::Y>(y, out);
    m.write(out);
}

}  // namespace gs

#endif

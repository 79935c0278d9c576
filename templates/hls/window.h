// window.h: the pixels under a sliding kernel, a beat of one tap or all taps of a few channels at once.
//
// Input beats of a map of H x W pixels, PIXEL beats each, go into a buffer of ROWS rows, one behind
// the other, as late as they can: in the turn of the first tap that reads them. Outside the map a tap
// is row `beat of the pixel` of fill.
// C: X, Y, X_W, Y_W, LANES (of the input), H, W, PIXEL, ROWS, OUT_H, OUT_W, KH, KW, SH, SW, DH, DW,
//    TOP, LEFT, GROUPS (parts of a pixel whose taps stand together).
#ifndef GS_WINDOW_H
#define GS_WINDOW_H

#include "recode.h"

namespace gs {

template <class C>
struct Map {
    static const int TAP_W = C::LANES * C::Y::BITS;
    static const int LINE = C::W * C::PIXEL;
    static const int FIRST = (C::ROWS - C::TOP % C::ROWS) % C::ROWS;  // row -TOP in the buffer
};

// A row of a buffer of ROWS, for a number below twice that.
template <int ROWS>
int around(int row) {
#pragma HLS INLINE
    return row >= ROWS ? row - ROWS : row;
}

// A beat of one tap, in the elements of the result.
template <class C, class T, int R, int K>
ap_uint<Map<C>::TAP_W> filling(const T (&fill)[R][K], int beat) {
#pragma HLS INLINE
    typename C::Y::code_t code[C::LANES];
#pragma HLS ARRAY_PARTITION variable=code complete
    fetch<C::Y::BITS, false>(fill[R == 1 ? 0 : beat], code);
    ap_uint<Map<C>::TAP_W> out;
    pack<typename C::Y>(code, out);
    return out;
}

// One tap a beat: for every position, group, kernel row, kernel column, beat of the group.
template <class C, class T, int R, int K>
void window(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
            const T (&fill)[R][K]) {
    ap_uint<C::X_W> rows[C::ROWS][Map<C>::LINE];
    const int each = C::PIXEL / C::GROUPS;
    const int total = C::H * Map<C>::LINE;
    const int most = C::OUT_H * C::OUT_W * C::KH * C::KW * C::PIXEL + total;  // turns
    int taken = 0, row_in = 0, at_in = 0;  // beats taken; row of the buffer and place of the next
    int first = Map<C>::FIRST, down = 0;   // row of the buffer of the first tap row; from it to row i

    int out_row = 0, out_col = 0, group = 0, i = 0, j = 0, beat = 0;
    for (int turn = 0; turn < most && (taken < total || out_row < C::OUT_H); turn++) {
#pragma HLS PIPELINE II=1
        const int row = out_row * C::SH - C::TOP + i * C::DH;
        const int col = out_col * C::SW - C::LEFT + j * C::DW;
        const bool inside = row >= 0 && row < C::H && col >= 0 && col < C::W;
        const int place = col * C::PIXEL + group * each + beat;
        const int need = out_row == C::OUT_H ? total : inside ? row * Map<C>::LINE + place + 1 : 0;
        if (taken < need) {
            rows[row_in][at_in] = s.read();
            taken++;
            if (at_in == Map<C>::LINE - 1) {
                at_in = 0;
                row_in = row_in == C::ROWS - 1 ? 0 : row_in + 1;
            } else {
                at_in++;
            }
        }
        if (out_row < C::OUT_H && taken >= need) {
            if (inside) {
                m.write(recoded<typename C::X, typename C::Y, C::LANES, C::Y_W>(rows[around<C::ROWS>(first + down)][place]));
            } else {
                m.write(filling<C>(fill, group * each + beat));
            }
            if (++beat == each) {
                beat = 0;
                if (++j == C::KW) {
                    j = 0;
                    down = around<C::ROWS>(down + C::DH % C::ROWS);
                    if (++i == C::KH) {
                        i = 0;
                        down = 0;
                        if (++group == C::GROUPS) {
                            group = 0;
                            if (++out_col == C::OUT_W) {
                                out_col = 0;
                                out_row++;
                                first = around<C::ROWS>(first + C::SH % C::ROWS);
                            }
                        }
                    }
                }
            }
        }
    }
}

}  // namespace gs

#endif

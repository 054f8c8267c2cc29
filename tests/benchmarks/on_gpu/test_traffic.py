"""Bytes and kernels of compiled code, counted by hand."""

from clipbench_tf.benchmarks.on_gpu.traffic import count

CODE = """\
HloModule jit_f, is_scheduled=true

%fused_add (param_0: f32[8,16], param_1: bf16[8,16]) -> f32[8,16] {
  %param_0 = f32[8,16]{1,0} parameter(0)
  %param_1 = bf16[8,16]{1,0} parameter(1)
  %wide.1 = f32[8,16]{1,0} convert(%param_1)
  ROOT %add.1 = f32[8,16]{1,0} add(%param_0, %wide.1)
}

%fused_slice (param_0.1: f32[100,16], param_1.1: s32[]) -> f32[1,16] {
  %param_0.1 = f32[100,16]{1,0} parameter(0)
  %bitcast.1 = f32[100,16]{1,0} bitcast(%param_0.1)
  %param_1.1 = s32[] parameter(1)
  %zero.1 = s32[] constant(0)
  ROOT %slice.1 = f32[1,16]{1,0} dynamic-slice(%bitcast.1, %param_1.1, %zero.1)
}

%fused_update (param_0.2: f32[100,16], param_1.2: s32[], param_2.2: f32[1,16]) -> f32[100,16] {
  %param_0.2 = f32[100,16]{1,0} parameter(0)
  %param_2.2 = f32[1,16]{1,0} parameter(2)
  %param_1.2 = s32[] parameter(1)
  %zero.2 = s32[] constant(0)
  ROOT %update.1 = f32[100,16]{1,0} dynamic-update-slice(%param_0.2, %param_2.2, \
%param_1.2, %zero.2)
}

%body (state: (s32[], f32[100,16])) -> (s32[], f32[100,16]) {
  %state = (s32[], f32[100,16]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  %all = f32[100,16]{1,0} get-tuple-element(%state), index=1
  %one = f32[1,16]{1,0} fusion(%all, %i), kind=kLoop, calls=%fused_slice
  %written = f32[100,16]{1,0} fusion(%all, %i, %one), kind=kLoop, calls=%fused_update
  ROOT %next = (s32[], f32[100,16]{1,0}) tuple(%i, %written)
}

%condition (state.1: (s32[], f32[100,16])) -> pred[] {
  %state.1 = (s32[], f32[100,16]{1,0}) parameter(0)
  ROOT %go = pred[] constant(true)
}

ENTRY %main (x: f32[8,16], y: bf16[8,16], z: f32[100,16]) -> f32[8,16] {
  %x = f32[8,16]{1,0} parameter(0)
  %y = bf16[8,16]{1,0} parameter(1)
  %z = f32[100,16]{1,0} parameter(2)
  %zero = s32[] constant(0)
  %start = (s32[], f32[100,16]{1,0}) tuple(%zero, %z)
  %loop = (s32[], f32[100,16]{1,0}) while(%start), condition=%condition, body=%body, \
backend_config={"known_trip_count":{"n":"7"}}
  %product = (f32[8,8]{1,0}, s8[64]{0}) custom-call(%x, %x), custom_call_target="__cublas$gemm"
  ROOT %sum = f32[8,16]{1,0} fusion(%x, %y), kind=kLoop, calls=%fused_add
}
"""
SLICE = 16 * 4
ROUND = (2 * SLICE + 4) + (2 * SLICE + 4)  # a slice and its number read, written; then again
PRODUCT = 2 * 8 * 16 * 4 + 8 * 8 * 4 + 64
SUM = 8 * 16 * (4 + 2 + 4)


def test_loops_count_by_their_rounds_and_slices_in_place_by_their_own_size():
    assert count(CODE) == (2 * 7 + 2, 7 * ROUND + PRODUCT + SUM)


def test_a_loop_of_unknown_length_counts_once():
    unknown = CODE.replace('backend_config={"known_trip_count":{"n":"7"}}', "backend_config={}")
    assert count(unknown) == (2 + 2, ROUND + PRODUCT + SUM)


def test_a_called_computation_counts_where_it_is_called():
    called = CODE.replace(
        "  ROOT %sum = f32[8,16]{1,0} fusion(%x, %y), kind=kLoop, calls=%fused_add",
        "  ROOT %sum = f32[8,16]{1,0} call(%x, %y), to_apply=%fused_add",
    )
    inner = 8 * 16 * (2 + 4) + 3 * 8 * 16 * 4  # the conversion and the addition, one by one
    assert count(called) == (2 * 7 + 1 + 2, 7 * ROUND + PRODUCT + inner)


def test_what_is_started_and_waited_for_counts_once():
    apart = CODE.replace(
        "  %one = f32[1,16]{1,0} fusion(%all, %i), kind=kLoop, calls=%fused_slice",
        "  %begun = ((f32[100,16]{1,0}, s32[]), f32[1,16]{1,0}) fusion-start(%all, %i), "
        "kind=kLoop, calls=%fused_slice\n"
        "  %one = f32[1,16]{1,0} fusion-done(%begun)",
    )
    assert apart != CODE
    assert count(apart) == count(CODE)

"""The operators that a bundle may call: pure functions of tensors and numbers, and nothing else.

A name alone does not make an operator pure: a reader also checks that the schema of the overload
changes none of its arguments, which excludes every ``out=`` overload.
"""

from __future__ import annotations

_POINTWISE = """
    abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh ceil celu clamp clamp_max clamp_min
    cos cosh deg2rad digamma div elu elu_backward eq erf erfc erfinv exp exp2 expm1 floor floor_divide fmax fmin fmod
    frac ge gelu gelu_backward glu glu_backward gt hardshrink hardshrink_backward hardsigmoid hardsigmoid_backward
    hardswish hardswish_backward hardtanh hardtanh_backward heaviside hypot isfinite isinf isnan isneginf isposinf le
    leaky_relu leaky_relu_backward lerp lgamma log log10 log1p log2 log_sigmoid_backward log_sigmoid_forward logaddexp
    logaddexp2 logical_and logical_not logical_or logical_xor logit logit_backward lt masked_fill maximum minimum mish
    mish_backward mul mvlgamma nan_to_num ne neg polygamma pow rad2deg reciprocal relu remainder round rsqrt rsub
    sgn sigmoid sigmoid_backward sign signbit silu silu_backward sin sinc sinh softplus softplus_backward softshrink
    softshrink_backward sqrt square sub tan tanh tanh_backward threshold threshold_backward trunc where xlogy
    _prelu_kernel _prelu_kernel_backward copysign i0 igamma igammac nextafter special_entr special_erfcx special_i0e
    special_i1 special_i1e special_log_ndtr special_ndtri special_xlog1py special_zeta
    bitwise_and bitwise_not bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift
"""
_REDUCTIONS = """
    all amax amin aminmax any argmax argmin count_nonzero cummax cummin cumprod cumsum linalg_vector_norm
    _logcumsumexp dist logcumsumexp logsumexp max mean median min mode nanmedian nansum norm prod std std_mean sum var var_mean
    _log_softmax _log_softmax_backward_data _safe_softmax _softmax _softmax_backward_data
"""
_PRODUCTS = """
    _cdist_backward _cdist_forward _euclidean_dist _pdist_backward _pdist_forward addbmm addmm addmv addr baddbmm bmm
    cholesky vdot
    convolution convolution_backward dot mm mv
    _linalg_det _linalg_eigh _linalg_slogdet _linalg_solve_ex _linalg_svd cholesky_inverse cholesky_solve
    linalg_cholesky_ex linalg_cross linalg_eig linalg_householder_product linalg_inv_ex linalg_lu linalg_lu_factor_ex
    linalg_lu_solve linalg_matrix_exp linalg_pinv linalg_qr lu_unpack linalg_solve_triangular logdet trace triangular_solve
    _fft_c2c _fft_c2r _fft_r2c
"""
_SHAPES = """
    _conj _conj_physical _neg_view _reshape_alias _to_copy alias as_strided_scatter cat clone complex constant_pad_nd
    contiguous copy diag_embed diagonal diagonal_backward diagonal_scatter expand expand_copy flip im2col col2im imag
    movedim narrow_copy permute pixel_shuffle pixel_unshuffle real repeat reshape resolve_conj roll select
    select_backward select_scatter slice slice_backward slice_scatter split split_with_sizes squeeze stack t
    transpose tril triu unbind unfold unfold_backward unsafe_split unsqueeze view view_as_complex view_as_real
    _unsafe_view    reflection_pad1d reflection_pad1d_backward reflection_pad2d reflection_pad2d_backward replication_pad1d
    replication_pad1d_backward replication_pad2d replication_pad2d_backward channel_shuffle
    reflection_pad3d reflection_pad3d_backward replication_pad3d replication_pad3d_backward rot90 view_copy
    native_channel_shuffle
    block_diag polar angle conj_physical
"""
_FILLS = """
    arange empty empty_like eye full full_like fill lift_fresh_copy linspace logspace new_empty new_empty_strided
    new_full new_ones new_zeros ones ones_like scalar_tensor tril_indices triu_indices zeros zeros_like
    empty_strided
"""
_INDICES = """
    _embedding_bag _embedding_bag_backward _embedding_bag_dense_backward _embedding_bag_forward_only
    _embedding_bag_per_sample_weights_backward bucketize embedding embedding_dense_backward gather index index_add
    index_copy index_fill index_put index_reduce index_select masked_scatter one_hot scatter scatter_add
    scatter_reduce searchsorted sort topk argsort kthvalue isin
"""
_LAYERS = """
    _adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d _adaptive_avg_pool3d_backward
    _native_batch_norm_legit _native_batch_norm_legit_no_training _weight_norm_interface
    _weight_norm_interface_backward adaptive_max_pool2d adaptive_max_pool2d_backward
    adaptive_max_pool3d adaptive_max_pool3d_backward avg_pool2d avg_pool2d_backward
    avg_pool3d avg_pool3d_backward grid_sampler_2d grid_sampler_2d_backward grid_sampler_3d grid_sampler_3d_backward
    max_pool2d_with_indices max_pool2d_with_indices_backward max_pool3d_with_indices
    max_pool3d_with_indices_backward max_unpool2d multi_margin_loss multi_margin_loss_backward
    multilabel_margin_loss_backward multilabel_margin_loss_forward native_group_norm native_group_norm_backward
    native_layer_norm native_layer_norm_backward upsample_bicubic2d upsample_bicubic2d_backward upsample_bilinear2d
    upsample_bilinear2d_backward upsample_linear1d upsample_linear1d_backward upsample_nearest1d
    upsample_nearest1d_backward upsample_nearest2d upsample_nearest2d_backward upsample_nearest3d
    upsample_nearest3d_backward _upsample_nearest_exact3d _upsample_nearest_exact3d_backward upsample_trilinear3d
    upsample_trilinear3d_backward _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact1d_backward _upsample_nearest_exact2d_backward _upsample_bilinear2d_aa
    _upsample_bilinear2d_aa_backward
    binary_cross_entropy binary_cross_entropy_backward huber_loss huber_loss_backward mse_loss mse_loss_backward
    nll_loss2d_backward nll_loss2d_forward nll_loss_backward nll_loss_forward smooth_l1_loss smooth_l1_loss_backward
    soft_margin_loss soft_margin_loss_backward
"""

ALLOWED: frozenset[str] = frozenset(
    "aten::" + name
    for group in (_POINTWISE, _REDUCTIONS, _PRODUCTS, _SHAPES, _FILLS, _INDICES, _LAYERS)
    for name in group.split()
)
"""The names of all operators that a bundle may call, such as ``aten::mul``."""

_REFUSED = {
    "aten::_ctc_loss": "CTC loss has no form for several lanes",
    "aten::embedding_renorm_": "`max_norm` of an embedding changes its weights in the forward pass",
    "aten::rrelu_with_noise": "`rrelu` draws its slopes in a way that has no named stream; use `leaky_relu` or `prelu`",
    "aten::_pack_padded_sequence": "a `PackedSequence` has a shape that depends on the data; use padding and a mask",
    "aten::nonzero": "`nonzero` gives as many elements as the data decides; use `torch.where` with three arguments",
    "aten::masked_select": "`masked_select` gives as many elements as the data decides; use `torch.where`",
    "aten::repeat_interleave": "`repeat_interleave` by a tensor gives as many elements as the data decides",
    "aten::bincount": "`bincount` gives as many elements as the data decides; use `scatter_add`",
    "aten::multinomial": "`multinomial` (as of `Categorical.sample`) has no named stream; draw by `gumbel_softmax`",
    "aten::randperm": "`randperm` has no named stream; shuffle the data instead",
}


def refusal(name: str) -> str | None:
    """Why the operator of this name can be in no bundle, whatever its arguments; None if it may."""
    name = name.replace("ctc_loss", "_ctc_loss") if name == "aten::ctc_loss" else name
    if name.startswith(("aten::unique", "aten::_unique")):
        return "`unique` gives as many elements as the data decides"
    if name.startswith("aten::rrelu_with_noise"):
        name = "aten::rrelu_with_noise"
    return _REFUSED.get(name)

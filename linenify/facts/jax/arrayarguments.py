"""Arguments that have to be arrays: measured on jax 0.10.2.

Written by `.ci/array_arguments.py`.  `0:a 1:b` are places and names, `1*` every place
from that one on.
"""

ARRAY_ARGUMENTS = {
    "jax.numpy": """
0
    abs absolute acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh astype atan
    atanh bitwise_count bitwise_invert bitwise_not cbrt ceil conj conjugate cos cosh
    cumulative_prod cumulative_sum deg2rad degrees exp exp2 expm1 fabs floor frexp imag invert
    isfinite isinf isnan isneginf isposinf log log10 log1p log2 logical_not matrix_transpose
    modf negative permute_dims positive rad2deg radians real reciprocal rint sign signbit sin
    sinc sinh spacing sqrt square tan tanh unique_all unique_counts unique_inverse unique_values
    unstack
0 1
    add arctan2 atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
    copysign divide divmod equal float_power floor_divide fmod greater greater_equal heaviside
    hypot ldexp left_shift less less_equal logaddexp logaddexp2 logical_and logical_or
    logical_xor matvec maximum minimum mod multiply nextafter not_equal pow power remainder
    right_shift subtract true_divide vecdot vecmat
0 1 2
    where
0 1:min 2:max
    clip
0*
    atleast_1d atleast_2d atleast_3d broadcast_arrays ix_ meshgrid
0:A
    tile
0:a
    all amax amin any argmax argmin argpartition argsort argwhere around choose copy
    count_nonzero cumprod cumsum diagonal diff expand_dims flatnonzero max mean median min
    moveaxis nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanprod
    nanstd nansum nanvar nonzero ones_like packbits partition prod ptp ravel reshape resize roll
    rollaxis round sort sort_complex squeeze std sum swapaxes transpose unpackbits var
    zeros_like
0:a 1:b
    allclose cross dot inner isclose kron matmul outer tensordot vdot
0:a 1:bins
    histogram histogram_bin_edges
0:a 1:fill_value
    full_like
0:a 1:indices
    take
0:a 1:offset
    trace
0:a 1:q
    nanpercentile nanquantile percentile quantile
0:a 1:repeats
    repeat
0:a 1:v
    convolve correlate searchsorted
0:a1 1:a2
    polyadd polymul polysub
0:ar
    unique
0:ar1 1:ar2
    intersect1d setdiff1d setxor1d union1d
0:arr
    diag_indices_from tril_indices_from triu_indices_from
0:arr 1:indices
    take_along_axis
0:arr 1:mask 2:vals
    place
0:arr 1:obj
    delete
0:arr 1:obj 2:values
    insert
0:arr 1:values
    append
0:array
    broadcast_to pad
0:ary
    array_split dsplit hsplit split vsplit
0:ary 1:to_end 2:to_begin
    ediff1d
0:condition 1:a
    compress
0:condition 1:arr
    extract
0:element 1:test_elements
    isin
0:filt
    trim_zeros
0:indices
    unravel_index
0:m
    flip fliplr flipud rot90 tril triu
0:m 1:y
    cov
0:p
    polyder roots unwrap
0:p 1:x
    polyval
0:p 2:k
    polyint
0:prototype
    empty_like
0:sample
    histogramdd
0:seq_of_zeros
    poly
0:start 1:stop
    linspace
0:u 1:v
    polydiv
0:v
    diag diagflat
0:x
    bincount i0 iscomplex isreal nan_to_num piecewise trunc vander
0:x 1:bins
    digitize
0:x 1:xp 2:fp 3:left
    interp
0:x 1:y
    corrcoef histogram2d polyfit
0:x1 1:x2
    fmax fmin gcd lcm
0:y 1:x
    trapezoid
0:z
    angle
1:a
    apply_over_axes
1:fill_value
    full
2:arr
    apply_along_axis
2:default
    select
2:k
    eye
""",
    "jax.numpy.linalg": """
0
    diagonal matrix_norm matrix_transpose svdvals trace vector_norm
0 1
    cross matmul outer tensordot vecdot
0:M
    matrix_rank
0:a
    cholesky det eig eigh eigvals eigvalsh inv matrix_power pinv qr slogdet svd tensorinv
0:a 1:b
    lstsq solve tensorsolve
0:x
    cond norm
""",
    "jax.numpy.fft": """
0:a
    fft fft2 fftn hfft ifft ifft2 ifftn irfft irfft2 irfftn rfft rfft2 rfftn
0:x
    fftshift ifftshift
""",
    "jax.nn": """
0
    tanh
0:a 2:b
    logsumexp
0:x
    celu elu gelu glu hard_silu hard_swish hard_tanh identity leaky_relu log1mexp log_sigmoid
    mish relu relu6 selu silu soft_sign softplus sparse_plus standardize swish
0:x 1:b
    squareplus
0:x 2:where
    log_softmax logmeanexp softmax
""",
    "jax.random": """
1:a
    choice
1:lam
    poisson
1:logits
    categorical
1:n 2:p
    binomial multinomial
1:p
    geometric
1:x
    permutation
""",
    "jax.ops": """
0:data 1:segment_ids
    segment_max segment_min segment_prod segment_sum
""",
    "jax.scipy.special": """
0
    log_softmax softmax
0:N 1:k
    comb
0:a
    multigammaln
0:a 1:b
    beta betaln
0:a 1:b 2:x
    betainc
0:a 1:x
    gammainc gammaincc
0:a 2:b
    logsumexp
0:h 1:a
    owens_t
0:n
    factorial
0:p 1:q
    kl_div rel_entr
0:x
    dawsn digamma entr erf erfc erfcx erfinv exp1 expi expit fresnel gamma gammaln gammasgn i0
    i0e i1 i1e loggamma logit sici
0:x 1:lmbda
    boxcox boxcox1p
0:x 1:y
    xlog1py xlogy
0:z
    wofz
0:z 1:m
    poch
1:q
    zeta
1:x
    polygamma
2:theta
    sph_harm_y
""",
    "jax.scipy.linalg": """
0:a
    companion convolution_matrix det fiedler fiedler_companion inv
0:a 1:b
    solve
0:c
    circulant
0:c 1:r
    hankel toeplitz
0:f 1:s
    leslie
""",
    "jax.scipy.signal": """
0:Zxx
    istft
0:in1 1:in2
    fftconvolve
1:y
    csd
""",
    "jax.scipy.ndimage": """
""",
    "jax.scipy.stats.norm": """
0:x 1:loc 2:scale
    cdf logcdf logpdf logsf pdf sf
""",
    "jax.image": """
""",
}

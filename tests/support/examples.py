"""The file of the README: a whole contribution."""

TANH_AFFINE = '''
import invbench

@invbench.coupling("tanh-affine")
class TanhAffine(invbench.Elementwise):
    """y = exp(2 tanh a) x + t."""
    n_params = 2

    def forward(self, x, params):            # params: (n_params, *x.shape)
        log_s, t = 2 * params[0].tanh(), params[1]
        return x * log_s.exp() + t, log_s    # y, log|dy/dx|, both x.shape

    def inverse(self, y, params):
        log_s, t = 2 * params[0].tanh(), params[1]
        return (y - t) * (-log_s).exp(), -log_s
'''

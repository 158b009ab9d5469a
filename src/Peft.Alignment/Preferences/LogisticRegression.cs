using static TorchSharp.torch;

namespace Peft;

/// <summary>Logistic regression with an L2 penalty of the weights and balanced classes, as scikit-learn's defaults with <c>class_weight="balanced"</c>, by Newton's method.</summary>
/// <param name="weights">Weights and bias, <c>[dimensions + 1]</c>.</param>
internal sealed class LogisticRegression(Tensor weights)
{
    private const int MostSteps = 100;
    private const double Enough = 1e-10;

    /// <summary>Fits rows.</summary>
    /// <param name="rows">The rows, <c>[rows, dimensions]</c> in float64.</param>
    /// <param name="labels">0 or 1 for each.</param>
    public static LogisticRegression Fit(Tensor rows, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var x = WithBias(rows);
        var (count, positives) = (x.size(0), labels.sum().item<double>());
        var share = labels.mul(Constant(count / (2 * positives))).add(labels.neg().add(Constant(1), One).mul(Constant(count / (2 * (count - positives)))), One);
        var penalty = ones(x.size(1), ScalarType.Float64);
        penalty[-1] = tensor(0.0);   // not the bias
        var w = zeros(x.size(1), ScalarType.Float64);
        for (var step = 0; step < MostSteps; step++)
        {
            var p = x.mv(w).sigmoid();
            var gradient = x.t().mv(share.mul(p.sub(labels))).add(penalty.mul(w), One);
            var curvature = share.mul(p).mul(p.neg().add(Constant(1), One));
            var hessian = x.t().mm(x.mul(curvature.unsqueeze(1))).add(diag(penalty), One);
            var change = linalg.solve(hessian, gradient.unsqueeze(1)).squeeze(1);
            // Half a step until the loss falls: a full one may overshoot far from the minimum.
            for (var (scale, before) = (1.0, Loss(w)); ; scale /= 2)
            {
                var next = w.sub(change.mul(Constant(scale)));
                if (Loss(next) > before && scale > 1e-6) continue;
                w = next;
                break;
            }
            if (change.abs().max().item<double>() < Enough) break;
        }
        return new(w.MoveToOuterDisposeScope());

        double Loss(Tensor at)
        {
            var z = x.mv(at);
            return share.mul(nn.functional.softplus(z).sub(labels.mul(z))).sum().add(penalty.mul(at).mul(at).sum().mul(Constant(0.5)), One).item<double>();
        }
    }

    /// <summary>The probability of the class 1 for each row.</summary>
    public Tensor Predict(Tensor rows) => WithBias(rows).mv(weights).sigmoid();

    private static Tensor WithBias(Tensor rows) => cat([rows, ones([rows.size(0), 1], ScalarType.Float64)], 1);
}

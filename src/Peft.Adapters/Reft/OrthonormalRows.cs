using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Adapters;

/// <summary>
/// A matrix R <c>[rank, width]</c> with orthonormal rows, Rᵀ = Q₀·H(X), where X is trained, H(X) is torch's <c>householder</c> parametrization of orthonormal columns, the
/// identity for X = −I, and the orthogonal matrix Q₀ is the initial value. This is the parametrization of the Adapters library (<c>torch.nn.utils.parametrizations.orthogonal</c>),
/// which holds Q₀ as a matrix <c>[width, width]</c>. Here it is a product of as many reflections I − 2·u·uᵀ as R has rows.
/// </summary>
internal sealed class OrthonormalRows
{
    private readonly Parameter x, reflections;   // [rank, width] each; a row of reflections is u

    /// <param name="initial">A matrix whose orthonormalized rows are the initial value.</param>
    /// <param name="trainable">Registers a trainable tensor.</param>
    /// <param name="frozen">Registers a tensor that is not trained.</param>
    /// <param name="hasValues">False on the device meta.</param>
    public OrthonormalRows(Tensor initial, Func<string, Tensor, Parameter> trainable, Func<string, Tensor, Parameter> frozen, bool hasValues)
    {
        x = trainable("projection.original", hasValues ? Start(initial) : empty_like(initial));
        reflections = frozen("projection.reflections", hasValues ? Reflections(Orthonormalized(initial)).to_type(initial.dtype) : empty_like(initial));
    }

    /// <summary>R.</summary>
    public Tensor Rows() => Reflect(reflections, Columns(x)).t();

    /// <summary>X, as the Adapters library saves it.</summary>
    public Tensor Original => x;

    /// <summary>Q₀ <c>[width, width]</c>, as the Adapters library saves it.</summary>
    public Tensor Base()
    {
        using var _ = no_grad();
        return Reflect(reflections.to_type(ScalarType.Float64), eye(x.size(1), dtype: ScalarType.Float64, device: x.device)).to_type(x.dtype);
    }

    /// <summary>Takes the matrix that X and Q₀ of the Adapters library give as the new initial value.</summary>
    public void Load(Tensor original, Tensor start)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        // Its diagonal is ±1, truncated to integers as in torch.
        var signs = original.to_type(ScalarType.Float64).diagonal().trunc().neg();
        var rows = start.to_type(ScalarType.Float64).matmul(Columns(original.to_type(ScalarType.Float64)).mul(signs)).t();
        reflections.copy_(Reflections(rows));
        x.copy_(Start(x));
    }

    // H(X): the first columns of the product of the reflections that the part of X below the diagonal holds, times −1, the value of the diagonal.
    private static Tensor Columns(Tensor x)
    {
        var a = x.t().tril(-1);
        return linalg.householder_product(a, a.square().sum(dim: 0).add(One, One).reciprocal().mul(Constant(2))).neg();
    }

    // The product of reflections, times a matrix [width, columns].
    private static Tensor Reflect(Tensor reflections, Tensor matrix)
    {
        for (var i = reflections.size(0) - 1; i >= 0; i--)
        {
            var u = reflections.narrow(0, i, 1);
            matrix = matrix.sub(u.t().mul(u.matmul(matrix)).mul(Constant(2)));
        }
        return matrix;
    }

    // Reflections whose product begins with the given orthonormal rows as its columns: each maps a column to its unit vector.
    private static Tensor Reflections(Tensor rows)
    {
        var (rest, found) = (rows.to_type(ScalarType.Float64).t(), new List<Tensor>());
        for (var i = 0L; i < rows.size(0); i++)
        {
            var u = rest.select(1, i).clone();
            if (i > 0) u.narrow(0, 0, i).zero_();
            u[i].sub_(One);
            var length = u.norm().item<double>();
            u = length < 1e-12 ? zeros_like(u) : u.div(Constant(length));
            found.Add(u);
            rest = rest.sub(u.unsqueeze(1).mul(u.unsqueeze(0).matmul(rest)).mul(Constant(2)));
        }
        return stack(found);
    }

    private static Tensor Orthonormalized(Tensor rows)
    {
        var (q, r) = linalg.qr(rows.to_type(ScalarType.Float64).t());
        return q.mul(r.diagonal().sign()).t();
    }

    // −I: H is then the identity.
    private static Tensor Start(Tensor like)
    {
        var start = zeros_like(like);
        start.diagonal().fill_(Constant(-1));
        return start;
    }
}

using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>AWQ of one layer (Lin et al. 2023, arXiv:2306.00978, section 3.2): factors s = mean|x|^α, with the α in [0, 1) whose rounded weights err least on the sampled inputs.</summary>
internal static class AwqScaling
{
    private const int Bits = 4;

    public static void Apply(LayerCalibration layer, IReadOnlyList<InputGroup> groups, AwqOptions options)
    {
        using var scope = NewDisposeScope();
        var matrices = groups.SelectMany(group => group.Modules).ToDictionary(module => module.Module, module => module.Read());
        var original = matrices.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        var factors = new Dictionary<InputGroup, Tensor>();
        foreach (var group in groups)
        {
            if (layer.Folds.FirstOrDefault(fold => Fits(fold, group, matrices)) is not { } fold) continue;
            var scale = Search([.. group.Modules.Select(module => (module.Path, matrices[module.Module]))], group.Inputs, options);
            foreach (var module in group.Modules) matrices[module.Module].mul_(scale.unsqueeze(1));
            Divide(layer, fold, scale, matrices);
            factors.Add(group, scale);
        }
        foreach (var group in groups)
            foreach (var module in group.Modules)
            {
                using var each = NewDisposeScope();
                var (matrix, size) = (matrices[module.Module], options.SizeFor(matrices[module.Module].size(0)));
                var scale = factors.GetValueOrDefault(group);
                var gram = scale is null ? group.Inputs.Gram : group.Inputs.Gram.div(scale).div_(scale.unsqueeze(1));   // of the inputs as they are now
                var clipped = options.Clip && AwqClipping.Clips(module.Path) ? AwqClipping.Run(matrix, gram, size, Bits, module.Path) : matrix;
                var codes = GroupedCodes.Round(clipped, size, Bits, false, module.Path);
                var values = codes.Values();
                if (scale is not null) (matrix, values) = (matrix.div(scale.unsqueeze(1)), values.div(scale.unsqueeze(1)));
                var before = original[module.Module];
                layer.Replace(module, codes.ToAwq(size, module.Path), group.Inputs.Error(matrix, values), group.Inputs.Error(before, GroupedCodes.Round(before, size, Bits, false, module.Path).Values()));
            }
    }

    // All modules that read the inputs are quantized, and so is the module that the factors are folded into, unless it is a norm.
    private static bool Fits(ScaleFold fold, InputGroup group, Dictionary<AdaptableModule, Tensor> matrices)
        => fold.To.Count == group.Modules.Count && fold.To.All(to => group.Modules.Exists(module => module.Module == to)) && (fold.From is not (Linear or TransposedLinear) || matrices.ContainsKey(fold.From));

    private static Tensor Search(IReadOnlyList<(string Path, Tensor Matrix)> weights, InputStatistics inputs, AwqOptions options)
    {
        using var scope = NewDisposeScope();
        var isDead = inputs.Magnitude.eq(Constant(0));
        var (least, best) = (double.PositiveInfinity, ones_like(inputs.Magnitude));
        for (var step = 0; step < options.Steps; step++)
        {
            using var each = NewDisposeScope();
            var scale = inputs.Magnitude.pow(Constant((double)step / options.Steps)).clamp_(min: Constant(1e-4)).masked_fill_(isDead, Constant(1));
            scale = scale.div(scale.max().mul(scale.min()).sqrt_());
            var column = scale.unsqueeze(1);
            var error = weights.Sum(weight => inputs.Energy(
                GroupedCodes.Round(weight.Matrix.mul(column), options.SizeFor(weight.Matrix.size(0)), Bits, false, weight.Path).Values().div_(column).sub_(weight.Matrix)));
            if (error >= least) continue;
            (least, best) = (error, scale.MoveToOuterDisposeScope());
        }
        return best.MoveToOuterDisposeScope();
    }

    private static void Divide(LayerCalibration layer, ScaleFold fold, Tensor scale, Dictionary<AdaptableModule, Tensor> matrices)
    {
        var outputs = fold.Outputs is null ? null : Values.Indices(fold.Outputs, scale.device);
        var isLinear = fold.From is Linear or TransposedLinear;
        if (isLinear)
        {
            var divisors = outputs is null ? scale : ones(matrices[fold.From].size(1), device: scale.device).index_copy(0, outputs, scale);
            matrices[fold.From].div_(divisors.unsqueeze(0));
        }
        else layer.Change(fold.From.Weight, weight => weight.add(Constant(fold.NormOffset), One).div(scale).sub(Constant(fold.NormOffset)));
        if (fold.From.Bias is not { } bias) return;
        layer.Change(bias, values => outputs is null ? values.div(scale) : values.index_copy(0, outputs, values.index_select(0, outputs).div(scale)));
    }
}

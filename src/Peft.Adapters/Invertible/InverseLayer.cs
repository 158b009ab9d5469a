namespace Peft.Adapters;

/// <summary>Applies the inverse of an invertible adapter to a module's input.</summary>
internal sealed class InverseLayer(Target target, InvertibleLayer forward) : TransformLayer(target), IKeepsEmbedding
{
    protected override Tensor TransformInput(Tensor input) => forward.Invert(input);
}

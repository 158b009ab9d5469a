namespace Peft.Prefix;

/// <summary>K ← [Pₖ; K], V ← [Pᵥ; V] in each layer. The first tokens of P are frozen.</summary>
internal sealed class CartridgeLayer : KeyValuePrompt
{
    private readonly Parameter whole, trained;
    private readonly int frozen;

    public CartridgeLayer(ModelTree model, CartridgeOptions options) : base(model, options.VirtualTokens!.Value)
    {
        frozen = options.FrozenTokens;
        whole = Frozen("prompt_embeddings", options.InitialText is null ? Normal(1, PrefixCount, Width) : OfText(model, options));
        trained = Trainable("prompt_encoder.trainable_embedding", Rest().clone(), saved: false);
    }

    private Tensor Rest() => whole.narrow(0, frozen, PrefixCount - frozen);

    protected override Tensor ToSaved(AdapterTensor tensor) => Flat().detach();

    protected override void Loaded()
    {
        using var _ = no_grad();
        trained.copy_(Rest());
    }

    protected override Tensor Flat() => frozen == 0 ? trained : cat([whole.narrow(0, 0, frozen), trained], 0);
}

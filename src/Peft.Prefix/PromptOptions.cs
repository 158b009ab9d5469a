namespace Peft;

/// <summary>Options of the methods that prepend virtual tokens to a model's input. The sizes are taken from the model and may be left out.</summary>
public abstract record PromptOptions : AdapterOptions
{
    /// <inheritdoc/>
    protected PromptOptions(string peftType) : base(peftType) { }

    /// <summary>Number of virtual tokens.</summary>
    [JsonPropertyName("num_virtual_tokens")] public int? VirtualTokens { get; init; }

    /// <summary>Size of a virtual token: the embedding size or, for keys and values, the size of one layer's keys.</summary>
    [JsonPropertyName("token_dim")] public int? TokenSize { get; init; }

    /// <summary>Number of attention heads (of key/value heads for keys and values).</summary>
    [JsonPropertyName("num_attention_heads")] public int? HeadCount { get; init; }

    /// <summary>Number of layers of the model.</summary>
    [JsonPropertyName("num_layers")] public int? LayerCount { get; init; }

    /// <summary>2 for an encoder-decoder model, otherwise 1.</summary>
    [JsonPropertyName("num_transformer_submodules")] public int? SubmoduleCount { get; init; }

    /// <summary>Modules that are fully trained and saved with the adapter. A classification head is included automatically.</summary>
    [JsonPropertyName("modules_to_save")] public IReadOnlyList<string>? ModulesToSave { get; init; }

    [JsonIgnore] protected override string ModulePrefix => "base_model.";

    /// <summary>True if the virtual tokens are keys and values, false if they are embeddings.</summary>
    [JsonIgnore] protected virtual bool AreKeysAndValues => false;

    /// <summary>Creates the virtual tokens for a model, after the options' sizes have been set from it.</summary>
    protected abstract PromptLayer Create(ModelTree model);

    protected override IEnumerable<string> Errors()
    {
        if (VirtualTokens is not > 0) yield return $"VirtualTokens must be at least 1, but was {VirtualTokens?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "not given"}.";
    }

    protected sealed override AdapterPlan Plan(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var sized = Sized(model.Prompted.PromptShape) with { ModulesToSave = model.WholeModuleNames(this, ModulesToSave) };
        return new AdapterPlan(sized, model.WholeModules(sized.ModulesToSave ?? []), Prompt: sized.Create(model));
    }

    /// <summary>The options with the sizes of a model.</summary>
    protected virtual PromptOptions Sized(PromptShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var (size, heads) = AreKeysAndValues ? (shape.KeyValueHeadCount * shape.HeadSize, shape.KeyValueHeadCount) : (shape.HiddenSize, shape.HeadCount);
        Require("token_dim", TokenSize, size);
        Require("num_attention_heads", HeadCount, heads);
        Require("num_layers", LayerCount, shape.LayerCount);
        Require("num_transformer_submodules", SubmoduleCount, shape.SubmoduleCount);
        return this with { TokenSize = size, HeadCount = heads, LayerCount = shape.LayerCount, SubmoduleCount = shape.SubmoduleCount };
    }

    private static void Require(string field, int? given, int own)
    {
        if (given is { } value && value != own)
            throw new AdapterOptionsException($"{field} is {value}, but that of this model is {own}: the adapter was made for another base model. Leave the field out to use the model's.");
    }
}

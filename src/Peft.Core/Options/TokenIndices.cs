using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Tokens whose embedding rows are trained: ids for the model's embedding, or ids per named embedding.</summary>
[JsonConverter(typeof(Converter))]
[TypeConverter(typeof(TextConverter<TokenIndices>))]
[SuppressMessage("Naming", "CA1710", Justification = "Only binders of settings use it as a collection.")]
public sealed class TokenIndices : BoundMap<TokenIndices>
{
    private IReadOnlyList<int>? ids;
    private IReadOnlyDictionary<string, IReadOnlyList<int>>? named;

    /// <summary>Creates an empty selection, for binders of settings (<c>IConfiguration</c>), which add tokens.</summary>
    public TokenIndices() => ids = [];

    /// <summary>Selects tokens of the model's token embedding.</summary>
    public TokenIndices(IReadOnlyList<int> ids) => this.ids = ids;

    /// <summary>Selects tokens of embeddings by name.</summary>
    public TokenIndices(IReadOnlyDictionary<string, IReadOnlyList<int>> named) => this.named = named;

    /// <summary>Selects tokens of the model's token embedding.</summary>
    public static implicit operator TokenIndices(int[] ids) => new(ids);

    /// <summary>Finds the selected embeddings of a model, with their token ids.</summary>
    /// <exception cref="TargetNotFoundException">The model has no such embedding.</exception>
    public IEnumerable<(Target Embedding, IReadOnlyList<int> Ids)> Resolve(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (ids is not null)
        {
            yield return (model.InputEmbeddings ?? model.Targets.FirstOrDefault(target => target.IsLookup && ModuleSelector.Means("embed_tokens", target.Path))
                ?? throw TargetHints.NotFound(model, "trainable_token_indices", ["embed_tokens"]), ids);
            yield break;
        }
        foreach (var (name, tokens) in named!)
        {
            var matches = model.Named([name]);
            if (matches.Count == 0) throw TargetHints.NotFound(model, "trainable_token_indices", [name]);
            foreach (var match in matches) yield return (match, tokens);
        }
    }

    /// <inheritdoc/>
    /// <remarks>A list is bound entry by entry: the key is an index, the value one id.</remarks>
    protected override void Bind(string key, TokenIndices value)
    {
        if (int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out _)) ids = [.. ids ?? [], .. value.ids ?? []];
        else (ids, named) = (null, new Dictionary<string, IReadOnlyList<int>>(named ?? new Dictionary<string, IReadOnlyList<int>>()) { [key] = value.ids ?? [] });
    }

    private sealed class Converter : JsonConverter<TokenIndices>
    {
        public override TokenIndices Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => reader.TokenType == JsonTokenType.Number ? new TokenIndices([reader.GetInt32()])
                : reader.TokenType == JsonTokenType.StartArray
                ? new TokenIndices(JsonSerializer.Deserialize<int[]>(ref reader, options)!)
                : new TokenIndices(JsonSerializer.Deserialize<Dictionary<string, int[]>>(ref reader, options)!.ToDictionary(pair => pair.Key, pair => (IReadOnlyList<int>)pair.Value));

        public override void Write(Utf8JsonWriter writer, TokenIndices value, JsonSerializerOptions options)
        {
            if (value.ids is not null) JsonSerializer.Serialize(writer, value.ids, options);
            else JsonSerializer.Serialize(writer, value.named, options);
        }
    }
}

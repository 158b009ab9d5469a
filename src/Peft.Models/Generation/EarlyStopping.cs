using System.ComponentModel;
using System.Text.Json.Serialization;

namespace Peft.Models;

/// <summary>When a beam search ends for a prompt that has as many finished hypotheses as beams.</summary>
[TypeConverter(typeof(EnumNames<EarlyStopping>))]
public enum EarlyStopping
{
    /// <summary>Once the best beam, if it ended now, would score no better than the worst finished one: <c>false</c> in generation_config.json.</summary>
    [JsonStringEnumMemberName("false")] Heuristic,

    /// <summary>At once: <c>true</c> in generation_config.json.</summary>
    [JsonStringEnumMemberName("true")] WhenFull,

    /// <summary>Once no beam can score better: <c>"never"</c> in generation_config.json. With a length penalty above 0 that counts what could still be added.</summary>
    [JsonStringEnumMemberName("never")] Never,
}

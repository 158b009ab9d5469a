using System.ComponentModel;
using System.Text.Json.Serialization;

namespace Peft.Models;

/// <summary>Stopping condition of a beam search, for a prompt that has as many finished hypotheses as beams.</summary>
[TypeConverter(typeof(EnumNames<EarlyStopping>))]
public enum EarlyStopping
{
    /// <summary>Stops when the best running beam, if it ended now, would score no better than the worst finished hypothesis: <c>false</c> in generation_config.json.</summary>
    [JsonStringEnumMemberName("false")] Heuristic,

    /// <summary>Stops immediately: <c>true</c> in generation_config.json.</summary>
    [JsonStringEnumMemberName("true")] WhenFull,

    /// <summary>Stops when no beam can score better: <c>"never"</c> in generation_config.json. With a length penalty above 0 this takes the maximum length into account.</summary>
    [JsonStringEnumMemberName("never")] Never,
}

namespace Peft;

/// <summary>Initialization of a multitask prompt.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<MultitaskInitialization>))]
[TypeConverter(typeof(EnumNames<MultitaskInitialization>))]
public enum MultitaskInitialization
{
    /// <summary>Normally distributed values.</summary>
    [JsonStringEnumMemberName("RANDOM")] Random,

    /// <summary>The embeddings of a text.</summary>
    [JsonStringEnumMemberName("TEXT")] Text,

    /// <summary>A trained prompt and the mean of its tasks.</summary>
    [JsonStringEnumMemberName("AVERAGE_SOURCE_TASKS")] AverageOfTasks,

    /// <summary>A trained prompt and one of its tasks.</summary>
    [JsonStringEnumMemberName("EXACT_SOURCE_TASK")] OneTask,

    /// <summary>A trained prompt without its tasks.</summary>
    [JsonStringEnumMemberName("ONLY_SOURCE_SHARED")] SharedOnly,
}

namespace Peft;

/// <summary>Degrees of freedom of RoAd's rotation and scaling of each pair of outputs.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RoadVariant>))]
[TypeConverter(typeof(EnumNames<RoadVariant>))]
public enum RoadVariant
{
    /// <summary>One angle and one scale per pair.</summary>
    [JsonStringEnumMemberName("road_1")] Road1,

    /// <summary>One angle and one scale for each output of the pair.</summary>
    [JsonStringEnumMemberName("road_2")] Road2,

    /// <summary>One angle and one scale for each of the four entries of the pair's matrix.</summary>
    [JsonStringEnumMemberName("road_4")] Road4,
}

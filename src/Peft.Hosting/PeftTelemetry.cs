namespace Peft.Hosting;

/// <summary>The names for OpenTelemetry, whose conventions for generative AI the measurements and activities follow.</summary>
public static class PeftTelemetry
{
    /// <summary>The source of activities, and the meter of chat clients and embedding generators: <c>gen_ai.client.operation.duration</c>, <c>gen_ai.client.token.usage</c>.</summary>
    public const string ClientSource = "Peft.Hosting";

    /// <summary>The meter of the batcher: <c>gen_ai.server.time_to_first_token</c>, <c>gen_ai.server.time_per_output_token</c>, <c>peft.server.queue_length</c> and others.</summary>
    public const string ServingMeter = "Peft.Serving";
}

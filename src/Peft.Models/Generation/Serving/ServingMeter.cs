using System.Diagnostics.Metrics;

namespace Peft.Models;

/// <summary>Metrics of a <see cref="ContinuousBatcher"/>, from the meter <c>Peft.Serving</c>. Names follow OpenTelemetry's conventions for generative AI where these define one. Times are in seconds.</summary>
internal sealed class ServingMeter : IDisposable
{
    private readonly Meter meter = new("Peft.Serving");
    private readonly Histogram<double> queueTime, firstToken, perToken;
    private readonly Histogram<int> batchSize;
    private readonly Counter<long> tokens;

    public ServingMeter(Func<BatchingStatistics> read)
    {
        queueTime = meter.CreateHistogram<double>("peft.server.queue_time", "s", "Time that a request spent in the queue.");
        firstToken = meter.CreateHistogram<double>("gen_ai.server.time_to_first_token", "s", "Time from a request to its first token.");
        perToken = meter.CreateHistogram<double>("gen_ai.server.time_per_output_token", "s", "Mean time for each token of a request after the first.");
        batchSize = meter.CreateHistogram<int>("peft.server.batch_size", "{request}", "Requests in a forward pass.");
        tokens = meter.CreateCounter<long>("peft.server.output_tokens", "{token}", "Tokens of requests that have ended.");
        meter.CreateObservableGauge("peft.server.queue_length", () => read().Waiting, "{request}", "Waiting requests.");
        meter.CreateObservableGauge("peft.server.running", () => read().Running, "{request}", "Running requests.");
    }

    public void Stepped(int rows) => batchSize.Record(rows);

    public void Ended(ServedRequest request)
    {
        if (request.ToFirstToken is not { } first) return;
        queueTime.Record(request.Waited.TotalSeconds);
        firstToken.Record(first.TotalSeconds);
        if (request.PerToken is { } each) perToken.Record(each.TotalSeconds);
        tokens.Add(request.Added);
    }

    public void Dispose() => meter.Dispose();
}

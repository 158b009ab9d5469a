using System.Diagnostics.Metrics;

namespace Peft;

/// <summary>The instruments of the meter <c>Peft.Training</c>.</summary>
internal sealed class TrainingMeter : IDisposable
{
    public const string Name = "Peft.Training";

    private readonly Meter meter;
    private readonly bool owned;
    private readonly Gauge<double> loss;
    private readonly Gauge<double> gradientNorm;
    private readonly Gauge<double> learningRate;
    private readonly Counter<long> tokens;
    private readonly Histogram<double> stepDuration;

    public TrainingMeter(IMeterFactory? factory)
    {
        owned = factory is null;
        meter = factory?.Create(new MeterOptions(Name)) ?? new Meter(Name);
        loss = meter.CreateGauge<double>("peft.training.loss", description: "Loss of the last step.");
        gradientNorm = meter.CreateGauge<double>("peft.training.gradient_norm", description: "Norm of the gradient before clipping.");
        learningRate = meter.CreateGauge<double>("peft.training.learning_rate", description: "Learning rate of the last step.");
        tokens = meter.CreateCounter<long>("peft.training.tokens", "{token}", "Number of training tokens, without padding.");
        stepDuration = meter.CreateHistogram<double>("peft.training.step.duration", "s", "Duration of an optimizer step with all its batches.");
    }

    public void Record(TrainingProgress step)
    {
        loss.Record(step.Loss);
        gradientNorm.Record(step.GradientNorm);
        learningRate.Record(step.LearningRate);
        tokens.Add(step.Tokens);
        stepDuration.Record(step.Elapsed.TotalSeconds);
    }

    // A factory disposes the meters that it creates.
    public void Dispose()
    {
        if (owned) meter.Dispose();
    }
}

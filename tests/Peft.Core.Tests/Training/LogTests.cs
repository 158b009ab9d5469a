using System.Buffers.Binary;
using System.Diagnostics.Metrics;
using System.Numerics;
using System.Text;

namespace Peft.Core.Tests.Training;

public sealed class LogTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    [Fact]
    public void TensorBoard_files_hold_each_logged_step_with_right_checksums()
    {
        var losses = new List<float>();
        var result = new Trainer(Runs.Line(), Runs.Rows(16), new() { MaxSteps = 3, LogEverySteps = 1, TensorBoardFolder = folder.Path }) { Evaluation = Runs.Rows(4) }
            .Train(new Listener<TrainingProgress>(step => losses.Add((float)step.Loss)));
        var scalars = Directory.GetFiles(folder, "events.out.tfevents*").SelectMany(Scalars).ToList();
        scalars.Where(scalar => scalar.Tag == "train/loss").Select(scalar => (scalar.Step, scalar.Value)).ShouldBe([(1L, losses[0]), (2L, losses[1]), (3L, losses[2])]);
        scalars.Single(scalar => scalar.Tag == "evaluation/loss" && scalar.Step == 3).Value.ShouldBe((float)result.Evaluations[^1].Loss);
    }

    // As in transformers.
    [Fact]
    public void The_loss_that_is_logged_is_the_mean_since_the_last_time()
    {
        var losses = new List<double>();
        new Trainer(Runs.Line(), Runs.Rows(16), new() { MaxSteps = 5, LogEverySteps = 3, TensorBoardFolder = folder.Path }).Train(new Listener<TrainingProgress>(step => losses.Add(step.Loss)));
        var logged = Directory.GetFiles(folder, "events.out.tfevents*").SelectMany(Scalars).Where(scalar => scalar.Tag == "train/loss").Select(scalar => (scalar.Step, scalar.Value)).ToList();
        logged.ShouldBe([(1L, (float)losses[0]), (3L, (float)losses[1..3].Average()), (5L, (float)losses[3..].Average())]);
    }

    [Fact]
    public void The_meter_reports_each_step()
    {
        var seen = new Dictionary<string, List<double>>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, me) => { if (instrument.Meter.Name == "Peft.Training") me.EnableMeasurementEvents(instrument); };
        void Add(Instrument instrument, double value)
        {
            lock (seen) seen[instrument.Name] = [.. seen.GetValueOrDefault(instrument.Name, []), value];
        }
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => Add(instrument, value));
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Add(instrument, value));
        listener.Start();
        var result = new Trainer(Runs.Line(), Runs.Rows(16), new() { MaxSteps = 2, BatchSize = 8, LearningRate = 0.5 }).Train();
        seen["peft.training.loss"].ShouldBe(result.Losses);
        seen["peft.training.learning_rate"].ShouldBe([0.5, 0.25]);
        seen["peft.training.tokens"].ShouldBe([8, 8]);
        seen["peft.training.gradient_norm"].Count.ShouldBe(2);
        seen["peft.training.step.duration"].ShouldAllBe(seconds => seconds > 0);
    }

    [Fact]
    public void The_logger_is_told_of_start_steps_evaluations_and_end()
    {
        var logger = new ListLogger();
        new Trainer(Runs.Line(), Runs.Rows(16), new() { MaxSteps = 25, LogEverySteps = 10 }) { Evaluation = Runs.Rows(4), Logger = logger }.Train();
        logger.Lines[0].ShouldContain("Training 2 tensors with 5 parameters for 25 steps of 8 rows from step 0");
        logger.Lines.Count(line => line.Contains("Step ")).ShouldBe(4);   // 1, 10, 20, 25
        logger.Lines.ShouldContain(line => line.Contains("Evaluation after step 25"));
        logger.Lines[^1].ShouldContain("ended after step 25: Completed");
    }

    [Fact]
    public void A_full_disk_under_the_log_ends_the_run_with_an_error_that_names_the_log()
    {
        // Linux has a file that is always full.
        if (!OperatingSystem.IsLinux()) return;
        var error = Should.Throw<TrainingException>(() => new Trainer(Runs.Line(), Runs.Rows(16), new() { MaxSteps = 3, JsonLogFile = "/dev/full" }).Train());
        error.Message.ShouldContain("The log /dev/full cannot be written");
        error.Message.ShouldContain("No space left on device");
    }

    public void Dispose() => folder.Dispose();

    // TFRecord: length, checksum of the length, data, checksum of the data; the data is an Event of TensorFlow's event.proto.
    private static IEnumerable<(string Tag, long Step, float Value)> Scalars(string file)
    {
        var bytes = File.ReadAllBytes(file);
        for (var at = 0; at < bytes.Length;)
        {
            var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(at));
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 8)).ShouldBe(Masked(bytes.AsSpan(at, 8)));
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 12 + length)).ShouldBe(Masked(bytes.AsSpan(at + 12, length)));
            var scalars = Fields(bytes.AsMemory(at + 12, length)).ToList();
            var step = scalars.Where(field => field.Number == 2).Select(field => (long)field.Varint).FirstOrDefault();
            foreach (var summary in scalars.Where(field => field.Number == 5))
            {
                foreach (var value in Fields(summary.Bytes).Where(field => field.Number == 1).Select(field => Fields(field.Bytes).ToList()))
                {
                    yield return (Encoding.UTF8.GetString(value.Single(field => field.Number == 1).Bytes.Span), step,
                        BinaryPrimitives.ReadSingleLittleEndian(value.Single(field => field.Number == 2).Bytes.Span));
                }
            }
            at += 16 + length;
        }
    }

    private static uint Masked(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data) crc = BitOperations.Crc32C(crc, value);
        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
    }

    private static IEnumerable<(int Number, ulong Varint, ReadOnlyMemory<byte> Bytes)> Fields(ReadOnlyMemory<byte> message)
    {
        var at = 0;
        ulong Varint()
        {
            var (value, shift) = (0UL, 0);
            while (true)
            {
                var next = message.Span[at++];
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80) return value;
                shift += 7;
            }
        }
        while (at < message.Length)
        {
            var key = Varint();
            var kind = key & 7;
            var varint = kind == 0 ? Varint() : 0;
            var size = kind switch { 1 => 8, 5 => 4, 2 => (int)Varint(), _ => 0 };
            yield return ((int)(key >> 3), varint, message.Slice(at, size));
            at += size;
        }
    }
}

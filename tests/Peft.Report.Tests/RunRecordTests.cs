namespace Peft.Report.Tests;

public sealed class RunRecordTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_json_log_of_a_trainer_is_a_record_too()
    {
        using var run = new SmallRun();
        var result = run.Trainer(new RunRecorder(folder["run.jsonl"]), options: new() { JsonLogFile = folder["log.jsonl"], LogEverySteps = 1 }).Train();
        var (log, recorded) = (RunRecord.Read(folder["log.jsonl"]), RunRecord.Read(folder["run.jsonl"]));
        log.Name.ShouldBe("log");
        log.Curve("loss").Select(point => point.Value).ShouldBe(result.Losses);
        recorded.Curve("loss").ShouldBe(log.Curve("loss"));
        recorded.EvaluationCurve("loss").ShouldBe(log.EvaluationCurve("loss"));
        recorded.TotalSteps.ShouldBe(12);
        recorded.LastStep.ShouldBe(12);
        recorded.Curve("memory_bytes").ShouldAllBe(point => point.Value > 1e6);
        recorded.Curve("tokens").ShouldAllBe(point => point.Value == 128 || point.Value == 64);
        PageFile.Parse(RunPage.Html(log)).Chart("Loss").ShouldNotBeNull();
    }

    [Fact]
    public void A_killed_run_is_read_up_to_its_last_complete_line()
    {
        var file = folder.Write("run.jsonl", "{\"step\":1,\"train/loss\":2}\n{\"step\":2,\"train/loss\":\"NaN\"}\n{\"step\":3,\"tra");
        var run = RunRecord.Read(file);
        run.Curve("loss").Select(point => point.Value).ShouldBe([2, double.NaN]);
        run.Ended.ShouldBeNull();
        RunRecord.Read(folder).LastStep.ShouldBe(2);
    }

    [Theory]
    [InlineData("not json\n{\"step\":1}\n", "line 1")]
    [InlineData("{\"step\":1}\n[1]\n{\"step\":2}\n", "line 2")]
    [InlineData("{\"loss\":1}\n{\"step\":2}\n", "'step'")]
    [InlineData("{\"step\":1,\"train/loss\":\"much\"}\n{\"step\":2}\n", "line 1")]
    [InlineData("{\"step\":1,\"layers\":[null]}\n{\"step\":2}\n", "line 1")]
    [InlineData("{\"step\":1,\"run\":{\"total_steps\":\"x\"}}\n{\"step\":2}\n", "line 1")]
    [InlineData("{\"step\":99999999999}\n{\"step\":2}\n", "line 1")]
    public void A_file_that_is_no_log_is_refused_with_the_line(string text, string expected)
        => Should.Throw<ReportException>(() => RunRecord.Read(folder.Write("other.jsonl", text))).Message.ShouldContain(expected);

    [Fact]
    public void A_missing_log_is_refused()
    {
        Should.Throw<ReportException>(() => RunRecord.Read(folder["none.jsonl"])).Message.ShouldContain("none.jsonl");
        Should.Throw<ReportException>(() => RunRecord.Read(folder)).Message.ShouldContain("run.jsonl");
    }
}

using Peft.Checkpoints;

namespace Peft.Core.Tests.Lifecycle;

/// <summary>The file that names the classes of an adapter.</summary>
public sealed class TaskDescriptionTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(null, null)]
    [InlineData("multi_label_classification", "mean")]
    public void It_comes_back_from_its_file(string? problem, string? pooling)
    {
        var task = new TaskDescription { Labels = ["ham", "spam", "ünd \"mehr\""], ProblemType = problem, Pooling = pooling };
        folder.Write(TaskDescription.FileName, task.ToJson());
        var read = TaskDescription.Read(folder).ShouldNotBeNull();
        read.Labels.ShouldBe(task.Labels);
        (read.ProblemType, read.Pooling).ShouldBe((problem, pooling));
    }

    [Fact]
    public void The_fields_are_those_of_transformers_in_the_order_of_the_classes()
        => new TaskDescription { Labels = ["é", "b"], Pooling = "last" }.ToJson().ShouldBe("""
            {
              "id2label": {
                "0": "é",
                "1": "b"
              },
              "label2id": {
                "é": 0,
                "b": 1
              },
              "classifier_pooling": "last"
            }

            """.ReplaceLineEndings("\n"));

    [Fact]
    public void A_folder_without_the_file_has_no_task() => TaskDescription.Read(folder).ShouldBeNull();

    [Theory]
    [InlineData("{}", "has no \"id2label\" object")]
    [InlineData("[]", "has no \"id2label\" object")]
    [InlineData("""{"id2label":["a"]}""", "has no \"id2label\" object")]
    [InlineData("""{"id2label":{"0":"a","2":"b"}}""", "has 2 classes in \"id2label\", but none with the id 1")]
    [InlineData("""{"id2label":{}}""", "no class")]
    [InlineData("""{"id2label":{"0":""}}""", "an empty class name")]
    [InlineData("""{"id2label":{"0":"a","1":"a"}}""", "the same name twice")]
    [InlineData("""{"id2label":{"0":1}}""", "cannot be read")]
    [InlineData("""{"id2label":{"0":"a"},"problem_type":1}""", "cannot be read")]
    [InlineData("""{"id2label":{"0":"a","0":"b"}}""", "cannot be read")]
    [InlineData("{", "cannot be read")]
    [InlineData("", "cannot be read")]
    public void A_file_that_names_no_classes_is_refused_with_its_path_and_fault(string json, string fault)
    {
        var path = folder.Write(TaskDescription.FileName, json);
        var error = Should.Throw<CheckpointException>(() => TaskDescription.Read(folder));
        error.Path.ShouldBe(path);
        error.Message.ShouldContain(fault);
    }
}

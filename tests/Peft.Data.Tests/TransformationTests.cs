using System.Text.Json.Nodes;

namespace Peft.Data.Tests;

public sealed class TransformationTests : DatasetTest
{
    private static readonly Dataset Questions = Dataset.Of([new() { ["question"] = "q", ["answer"] = "a", ["id"] = 1 }]);

    [Fact]
    public void Columns_are_mapped_to_the_names_of_a_trainer()
    {
        Questions.Columns.ShouldBe(["question", "answer", "id"]);
        var mapped = Questions.RenameColumns(new Dictionary<string, string> { ["question"] = "prompt", ["answer"] = "completion" }).SelectColumns("prompt", "completion");
        Json(mapped).ShouldBe(["{\"prompt\":\"q\",\"completion\":\"a\"}"]);
        mapped.Format.ShouldBe(DatasetFormat.PromptCompletion);
        Json(Questions.RenameColumn("id", "n")).ShouldBe(["{\"question\":\"q\",\"answer\":\"a\",\"n\":1}"]);
    }

    [Fact]
    public void Two_columns_can_be_exchanged()
        => Json(Questions.RenameColumns(new Dictionary<string, string> { ["question"] = "answer", ["answer"] = "question" })).ShouldBe(["{\"answer\":\"q\",\"question\":\"a\",\"id\":1}"]);

    [Fact]
    public void A_column_that_is_not_there_is_refused_with_the_row()
    {
        Should.Throw<DatasetException>(() => Json(Questions.RenameColumn("x", "y"))).Message.ShouldBe("Row 0 of dataset (counted from 0): there is no column \"x\". Columns found: question, answer, id.");
        Should.Throw<DatasetException>(() => Json(Questions.SelectColumns("x"))).Message.ShouldContain("no column \"x\"");
        Should.Throw<DatasetException>(() => Json(Questions.RenameColumn("question", "answer"))).Message.ShouldContain("there is a column \"answer\" already");
        Should.Throw<ArgumentException>(() => Questions.RenameColumns(new Dictionary<string, string> { ["question"] = "x", ["answer"] = "x" })).Message.ShouldContain("Two columns");
    }

    [Fact]
    public void Rows_are_computed_and_filtered_lazily()
    {
        var calls = 0;
        var data = Dataset.Of(Numbers(1000)).Map(row =>
        {
            calls++;
            return new() { ["i"] = row["i"]!.GetValue<int>() * 2 };
        }).Filter(row => row["i"]!.GetValue<int>() % 4 == 0);
        Numbers(data.Take(3)).ShouldBe([0, 4, 8]);
        calls.ShouldBe(5);
        Numbers(data.Skip(498)).ShouldBe([1992, 1996]);
    }

    [Fact]
    public void An_error_of_the_callers_function_names_the_row()
    {
        Should.Throw<DatasetException>(() => Json(Questions.Map(row => new() { ["x"] = row["no"]!.GetValue<int>() }))).Message.ShouldStartWith("Row 0 of dataset (counted from 0): the function threw NullReferenceException");
        Should.Throw<DatasetException>(() => Json(Questions.Map(_ => null!))).Message.ShouldContain("returned null");
        Should.Throw<DatasetException>(() => Json(Questions.Filter(row => row["id"]!.GetValue<bool>()))).Message.ShouldContain("Row 0");
        Should.Throw<DatasetException>(() => Json(Dataset.Of([null!], "mine"))).Message.ShouldBe("Row 0 of mine (counted from 0) is null.");
    }

    [Fact]
    public void A_file_larger_than_what_is_asked_for_is_not_read_to_its_end()
    {
        var path = Folder.Write("a.jsonl", string.Concat(Enumerable.Repeat("{\"i\": 1}\n", 100_000)) + "not JSON");
        Dataset.Load(path).Take(10).Count().ShouldBe(10);
        Should.Throw<DatasetException>(() => Dataset.Load(path).Count()).Message.ShouldContain("line 100001");
    }

    [Fact]
    public void A_split_has_each_row_once_and_is_the_same_each_time()
    {
        var (train, test) = Dataset.Of(Numbers(103)).TrainTestSplit(0.2, seed: 3);
        var (trained, tested) = (Numbers(train), Numbers(test));
        tested.Count.ShouldBe(21, "rounded up");
        trained.Concat(tested).Order().ShouldBe(Enumerable.Range(0, 103));
        trained.ShouldBe(trained.Order());
        tested.ShouldNotBe(Enumerable.Range(82, 21));
        Numbers(Dataset.Of(Numbers(103)).TrainTestSplit(0.2, seed: 3).Test).ShouldBe(tested);
        Numbers(Dataset.Of(Numbers(103)).TrainTestSplit(0.2, seed: 4).Test).ShouldNotBe(tested);
        Should.Throw<DatasetException>(() => Dataset.Of(Numbers(1)).TrainTestSplit().Train.Count()).Message.ShouldContain("1 rows, too few");
        Should.Throw<ArgumentOutOfRangeException>(() => train.TrainTestSplit(1));
    }

    [Fact]
    public void A_shuffled_dataset_has_each_row_once_and_goes_on_where_it_was_interrupted()
    {
        var data = Dataset.Of(Numbers(1000)).Shuffle(seed: 5, bufferSize: 100);
        var order = Numbers(data);
        order.Order().ShouldBe(Enumerable.Range(0, 1000));
        order.ShouldNotBe(Enumerable.Range(0, 1000));
        Numbers(Dataset.Of(Numbers(1000)).Shuffle(seed: 5, bufferSize: 100).Skip(317)).ShouldBe(order.Skip(317));
        Numbers(Dataset.Of(Numbers(1000)).Shuffle(seed: 6, bufferSize: 100)).ShouldNotBe(order);
        Numbers(Dataset.Of(Numbers(50)).Shuffle(bufferSize: 1)).ShouldBe(Enumerable.Range(0, 50));
    }

    [Fact]
    public void Datasets_follow_one_another()
    {
        var both = Dataset.Concat(Dataset.Of(Numbers(2), "a"), Dataset.Of(Numbers(2), "b"));
        Numbers(both).ShouldBe([0, 1, 0, 1]);
        both.Name.ShouldBe("a + b");
        both.Last().Place.ShouldBe("Row 1 of b (counted from 0)");
    }

    [Theory]
    [InlineData("{\"text\": \"x\"}", DatasetFormat.Text)]
    [InlineData("{\"messages\": []}", DatasetFormat.Messages)]
    [InlineData("{\"conversations\": []}", DatasetFormat.Messages)]
    [InlineData("{\"prompt\": \"x\", \"completion\": \"y\"}", DatasetFormat.PromptCompletion)]
    [InlineData("{\"prompt\": \"x\", \"completion\": \"y\", \"label\": true}", DatasetFormat.Unpaired)]
    [InlineData("{\"prompt\": \"x\"}", DatasetFormat.Prompt)]
    [InlineData("{\"chosen\": \"x\", \"rejected\": \"y\"}", DatasetFormat.Preference)]
    [InlineData("{\"prompt\": \"x\", \"completions\": [\"y\"], \"labels\": [true]}", DatasetFormat.Stepwise)]
    [InlineData("{\"text\": \"x\", \"label\": 3}", DatasetFormat.Classification)]
    [InlineData("{\"tokens\": [\"x\"], \"ner_tags\": [0]}", DatasetFormat.Tagging)]
    [InlineData("{\"question\": \"x\", \"context\": \"y\", \"answers\": {}}", DatasetFormat.QuestionAnswering)]
    [InlineData("{\"question\": \"x\", \"answer\": \"y\"}", DatasetFormat.Unknown)]
    public void The_columns_tell_what_rows_are_for(string row, DatasetFormat format) => Dataset.Of([(JsonObject)JsonNode.Parse(row)!]).Format.ShouldBe(format);

    [Fact]
    public void An_empty_dataset_has_no_columns()
    {
        Dataset.Of([]).Columns.ShouldBeEmpty();
        Dataset.Of([]).Format.ShouldBe(DatasetFormat.Unknown);
    }
}

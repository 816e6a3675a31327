namespace OnnxVlm.Prompting.Jinja;

/// <summary>markupsafe's escape().</summary>
internal static class HtmlText
{
    /// <summary>Escapes the characters that are special in HTML; Markup is not changed.</summary>
    /// <returns>Markup.</returns>
    public static TemplateText Escape(TemplateText text, TemplateBudget budget)
    {
        if (text.IsMarkup || text.Value.AsSpan().IndexOfAny("&<>'\"") < 0)
            return text.AsMarkup(true);
        TemplateTextBuilder escaped = new(budget);
        for (int i = 0; i < text.Value.Length; i++)
        {
            string? entity = text.Value[i] switch { '&' => "&amp;", '<' => "&lt;", '>' => "&gt;", '\'' => "&#39;", '"' => "&#34;", _ => null };
            if (entity is null)
                escaped.Append(text, i, 1);
            else
                escaped.Append(entity, text.IsFromTemplate(i));
        }
        return escaped.ToText().AsMarkup(true);
    }
}

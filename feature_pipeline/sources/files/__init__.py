"""Reading files: folders, documents and archives, whoever wrote them."""
